"""One thin module a Lambda: read the event, call one function, shape the answer."""
