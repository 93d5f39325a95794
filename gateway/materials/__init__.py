"""Files of a case: tickets to bring them, taking, keeping, claiming and letting go of them. Never looks inside them."""
