"""The node's PostgreSQL database: connections, transactions, migrations and stored replies."""
