"""One file per section: data, views, model, loss and loop wired together."""
