"""Local services that take messages and remember them: HTTP, SMTP and MQTT."""
