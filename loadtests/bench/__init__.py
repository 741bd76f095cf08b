"""Side-by-side measurement of the click path under each WSGI server the edge offers, as a ratio to nginx."""
