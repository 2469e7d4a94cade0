"""The playground: a whole gate on one page, to try and to train on."""
