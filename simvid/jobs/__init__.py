"""One job: a scene on its way to a clip. Which backends, from which inputs, found in the store or made."""
