"""Who there is: accounts, users, groups, roles, policies and keys as the catalog holds them. One module for each
subject: transaction functions that raise AWS's errors; `resolver` answers who a key speaks for and what they may do.
"""
