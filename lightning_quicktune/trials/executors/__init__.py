"""Where trials run: in this process, in others of this machine, on several devices at once, on a cluster."""
