"""How good refiners are: clips with their true pictures, refined in all wanted ways, compared, and written down."""
