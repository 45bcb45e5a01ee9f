"""How a mock cloud answers in a provider's dialect: one module for each kind, of the same name.

A module gives `whole(model, text)`, the JSON of a whole answer that says `text`, and `events(model, text)`, the same as
the frames of a stream; `model` is what was asked for. That is all a new kind needs. A provider of a kind without a
module here gets a mock that records and answers 501: nothing is proven of its answers, all of what reaches it.

The provider's own address must stand under `base_url`; any other option that names a host stops the self-test.
"""
