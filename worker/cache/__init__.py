"""Another generation's answer, in the provider's place."""
