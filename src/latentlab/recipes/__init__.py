"""Wiring: the only place that knows data, model, loss and loop together. A folder per coursework, one contract."""

# name -> module. Those with `run` train from the command line; they have Settings and PRESETS (see `contract`).
RECIPES = {
    "vicreg": "latentlab.recipes.vicreg.pretraining",
    "lesson": "latentlab.recipes.vicreg.lesson",
    "ablations": "latentlab.recipes.vicreg.ablations",
    "eigenmaps": "latentlab.recipes.vicreg.eigenmaps",
    "latent": "latentlab.recipes.vicreg.latent",
    "autoencoder": "latentlab.recipes.autoencoder.sweep",
    "transfer": "latentlab.recipes.autoencoder.transfer",
    "pixelcnn": "latentlab.recipes.generative.pixelcnn",
    "vae": "latentlab.recipes.generative.vae",
    "iwae": "latentlab.recipes.generative.iwae",
    "flow": "latentlab.recipes.generative.flow",
    "gan": "latentlab.recipes.generative.gan",
    "simclr": "latentlab.recipes.contrastive.simclr",
    "shapes-autoencoder": "latentlab.recipes.contrastive.shapes_autoencoder",
    "patches": "latentlab.models.patches",
    "foreign": "latentlab.data.foreign",
}
