"""How fast signed intake and dispatch are on this machine, against a floor measured in the same run.

Must not import the gateway: it is started as its operators start it, and asked through its doors.
"""
