"""The engine ``newton``: Newton builds the model, MuJoCo's core and simvid's material point method step it."""
