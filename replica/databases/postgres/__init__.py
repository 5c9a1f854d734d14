"""PostgreSQL 12 and newer: catalog, snapshot reads, DDL, bulk load and publishing."""
