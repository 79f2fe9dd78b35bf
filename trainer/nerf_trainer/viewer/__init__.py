"""The viewer: a web page that shows the scene while it trains, and after."""
