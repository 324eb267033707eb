"""Generation and scoring in C++ on a CPU: build at first use, engine, sampling."""
