"""Google Gemini: what is sent, and what comes back."""
