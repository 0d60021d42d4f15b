"""What :9090 serves: Prometheus' HTTP API over the window, its lifecycle paths, /metrics, /federate, and one page.

`Routes(view, clock).respond` is for `pillion.http.server.serve`; `view.View` is what it needs of the scraper.
"""

from pillion.scraper.web.routes import BODY_BYTES, Routes
from pillion.scraper.web.view import ActiveTarget, DroppedTarget, Health, TargetsView, View

__all__ = ["BODY_BYTES", "ActiveTarget", "DroppedTarget", "Health", "Routes", "TargetsView", "View"]
