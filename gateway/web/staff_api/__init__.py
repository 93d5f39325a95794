"""The JSON interface for government staff and their systems, ``/staff/api/v1``: described by its schemas (OpenAPI 3).

Must not decide anything: what an actor may see or do is judged by the services it calls, which filter in SQL.
"""
