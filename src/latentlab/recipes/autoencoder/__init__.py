"""The autoencoder report: the sweep over sizes, measures, paths between digits, transfer."""
