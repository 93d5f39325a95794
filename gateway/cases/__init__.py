"""The desk: the only room that moves a Case."""
