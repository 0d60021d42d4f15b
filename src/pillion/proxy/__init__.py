"""The proxy sidecar: TLS and mTLS in front of the agent and on its way out, by real Envoy.

    proxy.yaml ──► Configuration ─┐
                                  ├─► Snapshot ──► files that Envoy watches ──► Envoy
    mounted Secrets ─► Material ──┘

pillion writes Envoy's configuration and hands it certificates it has checked; no byte of traffic passes through Python.
The parts know nothing of collector, scraper, kubelet or API server.

- `identity`: SPIFFE IDs.
- `authority`: certificates that are issued: root, intermediate, leafs.
- `certificates`: certificates that are given: read from mounted volumes, checked, followed.
- `configuration`: `proxy.yaml`, with the place of everything that is wrong.
- `xds`: what Envoy is told. Pure.
- `envoy`: the program: found, started, asked, ended.
- `application`: all of it at work.
"""
