"""Parse the section `search` and check it, alone and together with the rest of the spec."""
