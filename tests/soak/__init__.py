"""`make soak`: a real service under everything at once, for minutes or hours, and the bounds that it must hold.

Clients and requests are those of `latent chaos`. Added are what only the owner of a service can do: versions that are
swapped and removed, workers that are killed, and a look at the memory, threads and descriptors of each process.
"""
