"""Google Cloud as a function needs it: who asks, and the calls and messages of the APIs of a request."""
