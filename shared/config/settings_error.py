"""What is raised for a wrong setting; apart from the settings, so that who catches it need not load them."""


class SettingsError(Exception):
    """A setting is wrong or missing; the text is one line that names it and the remedy."""
