#!/bin/sh
# Train the default model unless the store has one, then serve the store. `make demo` runs this.
set -eu

if ! latent models list --json | grep -q '"name"'; then
    echo "The store ${LATENT_STORE:-store} has no model: training mnist-vae on 5,000 handwritten digits, a minute or so."
    latent train mnist-vae
fi
# A Kubernetes or Docker link may stand in its place: `latent serve` takes 8000 then.
case "${LATENT_PORT:-}" in
    "" | *://*) port=8000 ;;
    *) port=$LATENT_PORT ;;
esac
base="http://localhost:$port"
cat <<END

  Latent will be at $base (Ctrl-C stops it): open it in a browser. Three things to try in another terminal:

    curl -s '$base/sample?n=16&scale=4' -o samples.png
    curl -s '$base/manifold?n=15&scale=2' -o manifold.png
    curl -s '$base/sample' -H 'Content-Type: application/json' -d '{"n": 2, "seed": 7}'

END
exec latent serve
