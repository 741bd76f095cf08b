"""The control plane: the operator's REST API, migrations, and the publisher that brings every change to the edge."""
