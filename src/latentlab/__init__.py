"""latentlab: a course on representation learning and generative models that you can run."""

__version__ = "0.1.0"
