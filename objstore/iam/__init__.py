"""Who may do what: users and their keys, access control lists, and the gate that every request passes."""
