"""What a run is: definitions, the state machine, one attempt, ports and their in-memory twins. Rules, no machinery."""
