"""The verbs: what each option means, and what is asked of the model. No HTTP here; routes are thin over these."""
