"""Tickets as people hold them: one layout, drawn as a PDF page or as a picture."""
