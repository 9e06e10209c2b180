"""Where events are delivered to: one module for each kind of target, all behind one protocol."""
