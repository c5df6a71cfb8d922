"""The same cells through this engine and through its peers, side by side.

The sides (`SIDES` in bench/peers/measurement.py) get the same rows, the same tokenisation, the same encoder
weights and head, the same batch size, number of steps, learning rates, warm-up, decay and clipping, phase by phase.

What the clocks cover. Every measurement is a process of its own, so that no side warms another's caches; importing
libraries and downloading are not counted. From rows on the local disk:

    prepare    read rows, tokenise, load the encoder
    train      this engine: run the frozen prefix over the training split, and the steps; Trainer: from its
               constructor to the end of train(); classifiers: encode the training texts, and fit; setfit: make
               pairs, train on them, and fit
    evaluate   this engine: validation after each epoch and the test set, each with its frozen prefix; a peer: the
               test set alone

`learn` is prepare + train, without any evaluation on either side. `whole` is everything from rows to a test score,
and there this engine also pays for the validation passes that it selects its final state by; Trainer keeps its last
state, as it does unless asked. The suite's clock is `whole` for all its cells in one process, records written and
prefixes shared, against the sum of the peer's cells.

Trainer leaves dropout on in frozen layers; this engine does not. Everything else that differs
between the sides is what is measured.
"""
