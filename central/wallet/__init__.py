"""Tickets that live on phones: links, binding, and the page that draws the live code."""
