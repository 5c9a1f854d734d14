"""How the rows of two tables depend on each other, and how that survives in made-up rows.

``layout``      what the codes of a row are, block by block
``joins``       which row points to which
``fanout``      how many children a row has
``families``    what the children of a row have in common, as a few codes of that row
``gaps``        moments counted from other moments
``sequences``   the order of the rows of one owner
``context``     everything that is known of a row before it is made
``references``  which rows the made-up rows point to
``keys``        keys that are functions of a row's number
"""
