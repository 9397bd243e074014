"""The purposes data of this network, and how a table is built of it and ordered."""
