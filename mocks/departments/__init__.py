"""Department simulators: separate programs that speak as the documents in ``docs/departments`` say."""
