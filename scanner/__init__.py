"""The lane process: it decides, records and moves metal."""
