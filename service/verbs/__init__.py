"""The verbs (encode, decode, …): their options, and the calls of the model that each one makes. Knows no HTTP."""
