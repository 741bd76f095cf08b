"""The control plane: the operator's REST API, migrations, and the publisher that sends every change to the edge."""
