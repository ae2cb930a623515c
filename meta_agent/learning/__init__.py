"""Learning: the archive becomes verified data, the data an adapter, the adapter a local model that must win its place.

===================  =====================================================================================
``harvest.py``       archive -> rows, each verified by execution
``training.py``      rows -> a LoRA adapter
``loop.py``          search, harvest, train, gate; rounds of it
``balance.py`` ...   the algorithms, as functions of plain values
===================  =====================================================================================
"""
