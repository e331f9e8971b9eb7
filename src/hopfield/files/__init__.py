"""Files and folders: written whole or not at all, claimed by what made them."""
