"""A loopback stand-in of the Earth Engine REST API that evaluates the expression graphs it is sent.

It is an independent witness: it shares no code with `mining_platform`, and knows only what Earth Engine documents.

    archive = FakeArchive(collections={"COPERNICUS/S2_SR_HARMONIZED": [FakeImage(...), ...]})
    with serve(archive) as server, earth_engine(server.url):
        ee.data.computePixels({"expression": ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").median(), ...})
    assert server.peak_concurrent <= 40

archive        the data: FakeBand, FakeImage, FakeArchive
server         serve(archive, faults=..., limits=...) -> Server(url, requests, peak_concurrent)
faults         what goes wrong: TOO_MANY_REQUESTS, UNAVAILABLE, DROPPED, TRUNCATED, slow(seconds), ...
client         earth_engine(url): the real client pointed at a stand-in and reset afterwards; offline_client() for code that
               calls ee.Initialize itself
samples        band(), image(), grid(), pixels(): tiny data, and the real client's answer on a grid
requests       the REST methods: limits, computePixels, value:compute, computeFeatures
assets         getAsset and listAssets
expressions    decoding and evaluating a graph; functions: the table of known functions
grids, bands   pixel lattices; lazily computed bands, nearest and bilinear reading
images, masks, neighbourhoods, reducers, collections, filters, values    the functions, one file a subject

What Earth Engine does not document is refused with a message that says so, rather than guessed: casting fractions to
integers, reading a band at half its resolution or coarser (a pyramid level), convolving with an asymmetric kernel.
"""
