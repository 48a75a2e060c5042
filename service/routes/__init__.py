"""Routes: thin over the verbs and the registry."""
