"""Connections that the server makes: only to where the administrator lets it."""
