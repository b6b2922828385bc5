"""Campaigns are files: one TOML file per campaign in this folder, shipped with every function.

The text in the campaign's own language stands in its file, as [texts.en]; each translation is a file of its own in
a folder of the campaign's name: reclaim-your-face.toml, reclaim-your-face/de.toml. The picture for posts that link
to the petition lies there, too (share.png, 1200 x 630 pixels), and so do the page's picture and logos.

Because they are files, `sign` reads no database to know a campaign, and survives a database outage. A file that
lacks what signers must be told (controllers, contact, retention, recipients, consent text, minimum age) does not
load, and the error names every missing key and says what belongs there. Its author need not know Python:
each error is one sentence that names the line, the key and the fix.
"""

from shared.campaigns.loader import load as load
from shared.campaigns.loader import load_all as load_all
from shared.campaigns.model import Campaign as Campaign
