"""Steward and attendee pages."""
