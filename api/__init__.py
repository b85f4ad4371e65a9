"""The HTTP API: accepts generations, and lets viewers follow their logs. It never talks to a provider."""
